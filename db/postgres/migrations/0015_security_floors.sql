ALTER TABLE "broker"."floors" ADD COLUMN "security_seq" bigint DEFAULT 0 NOT NULL;
--> statement-breakpoint
-- Why a floor was raised was not kept before: each counts as raised for a security reason.
UPDATE "broker"."floors" SET "security_seq" = "seq";
