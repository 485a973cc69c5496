CREATE TABLE "broker"."locks" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"key" text COLLATE "C" NOT NULL,
	"oid" text COLLATE "C" DEFAULT '' NOT NULL,
	"home_id" text COLLATE "C",
	"audience" text COLLATE "C",
	"case_reference" text COLLATE "C",
	"comment" text COLLATE "C",
	"actor_kind" text COLLATE "C" NOT NULL,
	"actor_id" text COLLATE "C" NOT NULL,
	"at" bigint NOT NULL,
	"ends_at" bigint,
	"seq" bigint,
	"lifted_at" bigint,
	"lifted_by_kind" text COLLATE "C",
	"lifted_by_id" text COLLATE "C",
	"lift_case_reference" text COLLATE "C",
	"lift_comment" text COLLATE "C"
);
--> statement-breakpoint
CREATE TABLE "broker"."operators" (
	"sub" text COLLATE "C" PRIMARY KEY NOT NULL,
	"may" text COLLATE "C" NOT NULL,
	"seen_at" bigint NOT NULL
);
--> statement-breakpoint
CREATE TABLE "broker"."scheduled_acts" (
	"id" text COLLATE "C" PRIMARY KEY NOT NULL,
	"act" text COLLATE "C" NOT NULL,
	"target" text COLLATE "C" NOT NULL,
	"wide" bigint NOT NULL,
	"case_reference" text COLLATE "C",
	"comment" text COLLATE "C",
	"ends_at" bigint,
	"due_at" bigint,
	"state" text COLLATE "C" NOT NULL,
	"actor_kind" text COLLATE "C" NOT NULL,
	"actor_id" text COLLATE "C" NOT NULL,
	"via" text COLLATE "C" NOT NULL,
	"may" text COLLATE "C" NOT NULL,
	"created_at" bigint NOT NULL,
	"confirmed_by_kind" text COLLATE "C",
	"confirmed_by_id" text COLLATE "C",
	"confirmed_via" text COLLATE "C",
	"confirmed_at" bigint,
	"announced_at" bigint,
	"settled_at" bigint,
	"settled_by_kind" text COLLATE "C",
	"settled_by_id" text COLLATE "C",
	"result" text COLLATE "C"
);
--> statement-breakpoint
CREATE UNIQUE INDEX "locks_open" ON "broker"."locks" USING btree ("kind","key","oid") WHERE lifted_at IS NULL;--> statement-breakpoint
CREATE INDEX "locks_open_by_home" ON "broker"."locks" USING btree ("home_id") WHERE lifted_at IS NULL AND home_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "locks_open_by_audience" ON "broker"."locks" USING btree ("audience") WHERE lifted_at IS NULL AND audience IS NOT NULL;--> statement-breakpoint
CREATE INDEX "locks_open_by_end" ON "broker"."locks" USING btree ("ends_at") WHERE lifted_at IS NULL AND ends_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "locks_lifted" ON "broker"."locks" USING btree ("lifted_at") WHERE lifted_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX "scheduled_acts_due" ON "broker"."scheduled_acts" USING btree ("due_at") WHERE state = 'scheduled';--> statement-breakpoint
CREATE INDEX "scheduled_acts_settled" ON "broker"."scheduled_acts" USING btree ("settled_at") WHERE settled_at IS NOT NULL;