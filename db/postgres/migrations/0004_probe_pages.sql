CREATE TABLE "broker"."probe_hands" (
	"tid" text COLLATE "C" PRIMARY KEY NOT NULL,
	"place" bigint NOT NULL,
	"sid" text COLLATE "C" NOT NULL,
	"moved_at_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "broker"."probe_pages" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"tid" text COLLATE "C" NOT NULL,
	"place" bigint NOT NULL,
	"sid" text COLLATE "C" NOT NULL,
	"to_place" bigint NOT NULL,
	"to_sid" text COLLATE "C" NOT NULL,
	"leased_until_ms" bigint NOT NULL
);
--> statement-breakpoint
CREATE INDEX "probe_pages_by_lease" ON "broker"."probe_pages" USING btree ("tid","leased_until_ms");