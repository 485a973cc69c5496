CREATE TABLE `wall_passes` (
	`id` text PRIMARY KEY NOT NULL,
	`pass_hash` text NOT NULL,
	`name` text NOT NULL,
	`made_by` text NOT NULL,
	`created_at` integer NOT NULL,
	`ends_at` integer NOT NULL,
	`revoked_at` integer,
	`used_at` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `wall_passes_by_hash` ON `wall_passes` (`pass_hash`);--> statement-breakpoint
CREATE INDEX `wall_passes_by_end` ON `wall_passes` (`ends_at`);