ALTER TABLE `participants` ADD `fresh_until` integer;--> statement-breakpoint
CREATE INDEX `participants_by_freshness` ON `participants` (`fresh_until`,`sid`,`client_id`) WHERE fresh_until IS NOT NULL;--> statement-breakpoint
ALTER TABLE `tenants` ADD `max_authentication_seconds` integer;