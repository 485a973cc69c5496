ALTER TABLE "broker"."deliveries" ADD COLUMN "traceparent" text COLLATE "C";--> statement-breakpoint
ALTER TABLE "broker"."revocations" ADD COLUMN "traceparent" text COLLATE "C";