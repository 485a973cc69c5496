CREATE TABLE `security_events` (
	`sub` text NOT NULL,
	`at` integer NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`sid` text,
	`device` text,
	`address` text,
	`client_id` text,
	`why` text,
	`actor_kind` text,
	`actor_id` text,
	`seq` integer,
	PRIMARY KEY(`sub`, `at`, `id`)
);
--> statement-breakpoint
CREATE INDEX `security_events_by_time` ON `security_events` (`at`);--> statement-breakpoint
CREATE INDEX `security_events_with_address` ON `security_events` (`at`) WHERE address IS NOT NULL;