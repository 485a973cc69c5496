CREATE TABLE "broker"."webhook_endpoints" (
	"endpoint_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"url" text COLLATE "C" NOT NULL,
	"description" text COLLATE "C",
	"events" text COLLATE "C" NOT NULL,
	"include" text COLLATE "C" NOT NULL,
	"secret_sealed" text COLLATE "C" NOT NULL,
	"former_sealed" text COLLATE "C",
	"former_until" bigint,
	"state" text COLLATE "C" NOT NULL,
	"cause" text COLLATE "C",
	"position" bigint NOT NULL,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
