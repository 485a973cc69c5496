CREATE TABLE `locks` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`oid` text DEFAULT '' NOT NULL,
	`home_id` text,
	`audience` text,
	`case_reference` text,
	`comment` text,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`at` integer NOT NULL,
	`ends_at` integer,
	`seq` integer,
	`lifted_at` integer,
	`lifted_by_kind` text,
	`lifted_by_id` text,
	`lift_case_reference` text,
	`lift_comment` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `locks_open` ON `locks` (`kind`,`key`,`oid`) WHERE lifted_at IS NULL;--> statement-breakpoint
CREATE INDEX `locks_open_by_home` ON `locks` (`home_id`) WHERE lifted_at IS NULL AND home_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `locks_open_by_audience` ON `locks` (`audience`) WHERE lifted_at IS NULL AND audience IS NOT NULL;--> statement-breakpoint
CREATE INDEX `locks_open_by_end` ON `locks` (`ends_at`) WHERE lifted_at IS NULL AND ends_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `locks_lifted` ON `locks` (`lifted_at`) WHERE lifted_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `operators` (
	`sub` text PRIMARY KEY NOT NULL,
	`may` text NOT NULL,
	`seen_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `scheduled_acts` (
	`id` text PRIMARY KEY NOT NULL,
	`act` text NOT NULL,
	`target` text NOT NULL,
	`wide` integer NOT NULL,
	`case_reference` text,
	`comment` text,
	`ends_at` integer,
	`due_at` integer,
	`state` text NOT NULL,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`via` text NOT NULL,
	`may` text NOT NULL,
	`created_at` integer NOT NULL,
	`confirmed_by_kind` text,
	`confirmed_by_id` text,
	`confirmed_via` text,
	`confirmed_at` integer,
	`announced_at` integer,
	`settled_at` integer,
	`settled_by_kind` text,
	`settled_by_id` text,
	`result` text
);
--> statement-breakpoint
CREATE INDEX `scheduled_acts_due` ON `scheduled_acts` (`due_at`) WHERE state = 'scheduled';--> statement-breakpoint
CREATE INDEX `scheduled_acts_settled` ON `scheduled_acts` (`settled_at`) WHERE settled_at IS NOT NULL;