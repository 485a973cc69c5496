CREATE TABLE "broker"."idempotency_keys" (
	"caller" text COLLATE "C" NOT NULL,
	"key_hash" text COLLATE "C" NOT NULL,
	"request_hash" text COLLATE "C" NOT NULL,
	"started_at" bigint NOT NULL,
	"expires_at" bigint NOT NULL,
	"status" bigint,
	"answer" text COLLATE "C",
	CONSTRAINT "idempotency_keys_caller_key_hash_pk" PRIMARY KEY("caller","key_hash")
);
--> statement-breakpoint
CREATE INDEX "idempotency_keys_by_expiry" ON "broker"."idempotency_keys" USING btree ("expires_at");