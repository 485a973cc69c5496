CREATE TABLE "broker"."streams" (
	"stream_id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"client_id" text COLLATE "C" NOT NULL,
	"method" text COLLATE "C" NOT NULL,
	"endpoint_url" text COLLATE "C",
	"authorization_sealed" text COLLATE "C",
	"events_requested" text COLLATE "C" NOT NULL,
	"description" text COLLATE "C",
	"status" text COLLATE "C" NOT NULL,
	"status_reason" text COLLATE "C",
	"status_by" text COLLATE "C" NOT NULL,
	"verified_at" bigint,
	"asked_at" bigint,
	"created_at" bigint NOT NULL,
	"updated_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX "streams_by_client" ON "broker"."streams" USING btree ("client_id");