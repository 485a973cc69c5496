CREATE TABLE "broker"."processes" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"host" text COLLATE "C" NOT NULL,
	"version" text COLLATE "C" NOT NULL,
	"started_at_ms" bigint NOT NULL,
	"seen_at_ms" bigint NOT NULL
);
