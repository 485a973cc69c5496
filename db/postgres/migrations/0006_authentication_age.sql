ALTER TABLE "broker"."participants" ADD COLUMN "fresh_until" bigint;--> statement-breakpoint
ALTER TABLE "broker"."tenants" ADD COLUMN "max_authentication_seconds" bigint;--> statement-breakpoint
CREATE INDEX "participants_by_freshness" ON "broker"."participants" USING btree ("fresh_until","sid","client_id") WHERE fresh_until IS NOT NULL;