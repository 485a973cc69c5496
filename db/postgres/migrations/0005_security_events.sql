CREATE TABLE "broker"."security_events" (
	"sub" text COLLATE "C" NOT NULL,
	"at" bigint NOT NULL,
	"id" text COLLATE "C" NOT NULL,
	"kind" text COLLATE "C" NOT NULL,
	"sid" text COLLATE "C",
	"device" text COLLATE "C",
	"address" text COLLATE "C",
	"client_id" text COLLATE "C",
	"why" text COLLATE "C",
	"actor_kind" text COLLATE "C",
	"actor_id" text COLLATE "C",
	"seq" bigint,
	CONSTRAINT "security_events_sub_at_id_pk" PRIMARY KEY("sub","at","id")
);
--> statement-breakpoint
CREATE INDEX "security_events_by_time" ON "broker"."security_events" USING btree ("at");--> statement-breakpoint
CREATE INDEX "security_events_with_address" ON "broker"."security_events" USING btree ("at") WHERE address IS NOT NULL;