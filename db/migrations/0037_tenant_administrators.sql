ALTER TABLE `tenants` ADD `administrators` text;--> statement-breakpoint
CREATE INDEX `revocations_by_tenant` ON `revocations` (`tid`,`seq`) WHERE tid IS NOT NULL;