-- The audit log is append-only. Only retention deletes rows, the oldest first.
CREATE FUNCTION "broker"."audit_is_append_only"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN RAISE EXCEPTION 'The audit log is append-only.'; END $$;
--> statement-breakpoint
CREATE FUNCTION "broker"."audit_from_its_old_end"() RETURNS trigger LANGUAGE plpgsql AS $$
DECLARE older boolean;
BEGIN
	EXECUTE format('SELECT EXISTS (SELECT 1 FROM %I.%I AS kept WHERE kept.id < (SELECT max(gone.id) FROM gone))', TG_TABLE_SCHEMA, TG_TABLE_NAME) INTO older;
	IF older THEN RAISE EXCEPTION 'The audit log is shortened from its old end alone.'; END IF;
	RETURN NULL;
END $$;
--> statement-breakpoint
CREATE TRIGGER "audit_never_changes" BEFORE UPDATE OR TRUNCATE ON "broker"."audit" FOR EACH STATEMENT EXECUTE FUNCTION "broker"."audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_outcomes_never_change" BEFORE UPDATE OR TRUNCATE ON "broker"."audit_outcomes" FOR EACH STATEMENT EXECUTE FUNCTION "broker"."audit_is_append_only"();
--> statement-breakpoint
CREATE TRIGGER "audit_from_its_old_end" AFTER DELETE ON "broker"."audit" REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "broker"."audit_from_its_old_end"();
--> statement-breakpoint
CREATE TRIGGER "audit_outcomes_from_their_old_end" AFTER DELETE ON "broker"."audit_outcomes" REFERENCING OLD TABLE AS gone FOR EACH STATEMENT EXECUTE FUNCTION "broker"."audit_from_its_old_end"();
--> statement-breakpoint
-- Rows that are updated often keep free space in their page, so that an update writes no index (HOT).
ALTER TABLE "broker"."log_head" SET (fillfactor = 10, autovacuum_vacuum_scale_factor = 0, autovacuum_vacuum_threshold = 1000);
--> statement-breakpoint
ALTER TABLE "broker"."chain_heads" SET (fillfactor = 10);
--> statement-breakpoint
ALTER TABLE "broker"."families" SET (fillfactor = 70);
--> statement-breakpoint
ALTER TABLE "broker"."deliveries" SET (fillfactor = 80);
--> statement-breakpoint
-- A lowered end does not reach the sessions that instances opened by an ID token with the former one.
CREATE FUNCTION "broker"."sessions_keep_their_promise"() RETURNS trigger LANGUAGE plpgsql AS $$
BEGIN NEW.promised_until := greatest(OLD.promised_until, OLD.absolute_at); RETURN NEW; END $$;
--> statement-breakpoint
CREATE TRIGGER "sessions_keep_their_promise" BEFORE UPDATE OF absolute_at ON "broker"."sessions" FOR EACH ROW WHEN (NEW.absolute_at < OLD.absolute_at) EXECUTE FUNCTION "broker"."sessions_keep_their_promise"();
