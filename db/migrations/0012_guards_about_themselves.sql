ALTER TABLE `guards` ADD `first_seen_at_ms` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guards` ADD `first_seq` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guards` ADD `version` text;--> statement-breakpoint
ALTER TABLE `guards` ADD `staleness` text;--> statement-breakpoint
ALTER TABLE `guards` ADD `clock_offset_seconds` integer;