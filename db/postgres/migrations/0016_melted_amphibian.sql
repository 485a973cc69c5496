CREATE TABLE "broker"."former_addresses" (
	"sub" text COLLATE "C" NOT NULL,
	"address" text COLLATE "C" NOT NULL,
	"until_at" bigint NOT NULL,
	CONSTRAINT "former_addresses_sub_address_pk" PRIMARY KEY("sub","address")
);
--> statement-breakpoint
ALTER TABLE "broker"."subjects" ADD COLUMN "mail" text COLLATE "C";--> statement-breakpoint
CREATE INDEX "former_addresses_by_end" ON "broker"."former_addresses" USING btree ("until_at");