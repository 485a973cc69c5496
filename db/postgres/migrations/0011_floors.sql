CREATE TABLE "broker"."auth_times" (
	"tid" text COLLATE "C" PRIMARY KEY NOT NULL,
	"first_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "broker"."floor_waivers" (
	"kind" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"until_at" bigint NOT NULL,
	CONSTRAINT "floor_waivers_kind_key_pk" PRIMARY KEY("kind","key")
);
--> statement-breakpoint
CREATE TABLE "broker"."floors" (
	"kind" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"seq" bigint NOT NULL,
	"at_ms" bigint NOT NULL,
	CONSTRAINT "floors_kind_key_pk" PRIMARY KEY("kind","key")
);
--> statement-breakpoint
ALTER TABLE "broker"."subjects" ADD COLUMN "home_id" text COLLATE "C";--> statement-breakpoint
CREATE INDEX "subjects_by_home" ON "broker"."subjects" USING btree ("home_id","sub") WHERE home_id IS NOT NULL;