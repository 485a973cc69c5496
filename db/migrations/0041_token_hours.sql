CREATE TABLE `token_hours` (
	`client_id` text NOT NULL,
	`at` integer NOT NULL,
	`issued` integer NOT NULL,
	`refreshed` integer NOT NULL,
	`rejected` integer NOT NULL,
	PRIMARY KEY(`client_id`, `at`)
);
--> statement-breakpoint
CREATE INDEX `token_hours_by_time` ON `token_hours` (`at`);