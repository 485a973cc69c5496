CREATE TABLE "broker"."wall_passes" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"pass_hash" text COLLATE "C" NOT NULL,
	"name" text COLLATE "C" NOT NULL,
	"made_by" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"ends_at" bigint NOT NULL,
	"revoked_at" bigint,
	"used_at" bigint
);
--> statement-breakpoint
CREATE UNIQUE INDEX "wall_passes_by_hash" ON "broker"."wall_passes" USING btree ("pass_hash");--> statement-breakpoint
CREATE INDEX "wall_passes_by_end" ON "broker"."wall_passes" USING btree ("ends_at");