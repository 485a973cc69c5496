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
CREATE TABLE "broker"."session_entries" (
	"client_id" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"until" bigint NOT NULL,
	CONSTRAINT "session_entries_client_id_seq_pk" PRIMARY KEY("client_id","seq")
);
--> statement-breakpoint
ALTER TABLE "broker"."floors" ADD COLUMN "authenticated_after" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "sessions" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "own_sessions" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "token_seconds" bigint;--> statement-breakpoint
ALTER TABLE "broker"."guard_leases" ADD COLUMN "former_tokens_until_ms" bigint;--> statement-breakpoint
ALTER TABLE "broker"."guards" ADD COLUMN "sessions" bigint;--> statement-breakpoint
ALTER TABLE "broker"."log_head" ADD COLUMN "sessions_known_to" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "broker"."log_head" ADD COLUMN "sessions_known_from" bigint DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE "broker"."revocations" ADD COLUMN "sessions_until" bigint;--> statement-breakpoint
ALTER TABLE "broker"."revocations" ADD COLUMN "session_clients" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "broker"."sessions" ADD COLUMN "promised_until" bigint;--> statement-breakpoint
CREATE INDEX "session_entries_by_end" ON "broker"."session_entries" USING btree ("until");--> statement-breakpoint
CREATE INDEX "sessions_open_by_end" ON "broker"."sessions" USING btree ("absolute_at") WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX "sessions_open_by_promise" ON "broker"."sessions" USING btree ("promised_until") WHERE ended_seq IS NULL AND promised_until IS NOT NULL;
--> statement-breakpoint
-- A lowered end does not reach the sessions that instances opened by an ID token with the former one.
CREATE FUNCTION "broker"."sessions_keep_their_promise"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.promised_until := greatest(OLD.promised_until, OLD.absolute_at); RETURN NEW; END $$;
--> statement-breakpoint
CREATE TRIGGER "sessions_keep_their_promise" BEFORE UPDATE OF absolute_at ON "broker"."sessions" FOR EACH ROW WHEN (NEW.absolute_at < OLD.absolute_at) EXECUTE FUNCTION "broker"."sessions_keep_their_promise"();
