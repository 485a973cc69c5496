CREATE TABLE "broker"."token_hours" (
	"client_id" text COLLATE "C" NOT NULL,
	"at" bigint NOT NULL,
	"issued" bigint NOT NULL,
	"refreshed" bigint NOT NULL,
	"rejected" bigint NOT NULL,
	CONSTRAINT "token_hours_client_id_at_pk" PRIMARY KEY("client_id","at")
);
--> statement-breakpoint
CREATE INDEX "token_hours_by_time" ON "broker"."token_hours" USING btree ("at");