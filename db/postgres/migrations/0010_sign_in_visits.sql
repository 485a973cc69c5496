ALTER TABLE "broker"."sessions" ADD COLUMN "visit_started_at" bigint;--> statement-breakpoint
ALTER TABLE "broker"."sessions" ADD COLUMN "visit_ended_at" bigint;