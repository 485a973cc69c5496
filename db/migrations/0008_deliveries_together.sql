DROP INDEX `deliveries_by_sid`;--> statement-breakpoint
DROP INDEX `deliveries_by_sub`;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sid` ON `deliveries` (`sid`,`target_id`,`seq`) WHERE sid IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sub` ON `deliveries` (`sub`,`target_id`,`seq`) WHERE sub IS NOT NULL;