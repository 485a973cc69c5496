-- Lists and retention continue after a key, not after a rowid: the other engine has none.
DROP INDEX `deliveries_by_seq`;--> statement-breakpoint
DROP INDEX `deliveries_by_state`;--> statement-breakpoint
DROP INDEX `deliveries_by_time`;--> statement-breakpoint
CREATE INDEX `deliveries_by_seq` ON `deliveries` (`seq`,`created_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_by_state` ON `deliveries` (`state`,`client_id`,`created_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_by_time` ON `deliveries` (`state`,`created_at_ms`,`id`);