CREATE TABLE "broker"."enforcements" (
	"seq" bigint NOT NULL,
	"client_id" text COLLATE "C" NOT NULL,
	"tokens_by" text COLLATE "C",
	"tokens_at_ms" bigint,
	"sessions_by" text COLLATE "C",
	"sessions_at_ms" bigint,
	CONSTRAINT "enforcements_seq_client_id_pk" PRIMARY KEY("seq","client_id")
);
--> statement-breakpoint
ALTER TABLE "broker"."floors" ADD COLUMN "authenticated_after" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "sessions" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "own_sessions" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "token_seconds" bigint;--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "former_tokens_until_ms" bigint;--> statement-breakpoint
CREATE INDEX "guard_leases_of_client" ON "broker"."guard_leases" USING btree ("client_id","last_seq");
