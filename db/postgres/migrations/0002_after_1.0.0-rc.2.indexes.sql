CREATE INDEX CONCURRENTLY "sessions_open_by_end" ON "broker"."sessions" USING btree ("absolute_at") WHERE ended_seq IS NULL;
--> statement-breakpoint
CREATE INDEX CONCURRENTLY "sessions_open_by_promise" ON "broker"."sessions" USING btree ("promised_until") WHERE ended_seq IS NULL AND promised_until IS NOT NULL;
