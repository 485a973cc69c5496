ALTER TABLE `deliveries` ADD `traceparent` text;--> statement-breakpoint
ALTER TABLE `revocations` ADD `traceparent` text;