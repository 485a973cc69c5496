ALTER TABLE "broker"."floors" ADD COLUMN "authenticated_after" bigint DEFAULT 0 NOT NULL;
