CREATE TABLE `erasures` (
	`sub` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`cursor` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `deliveries_by_time` ON `deliveries` (`state`,`created_at_ms`);--> statement-breakpoint
CREATE INDEX `deliveries_leased` ON `deliveries` (`leased_until_ms`) WHERE leased_until_ms > 0;--> statement-breakpoint
CREATE INDEX `microsoft_work_failed` ON `microsoft_work` (`asked_at_ms`) WHERE state = 'failed';--> statement-breakpoint
CREATE INDEX `sessions_open` ON `sessions` (`sid`) WHERE ended_seq IS NULL;