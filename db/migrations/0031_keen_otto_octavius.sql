CREATE TABLE `former_addresses` (
	`sub` text NOT NULL,
	`address` text NOT NULL,
	`until_at` integer NOT NULL,
	PRIMARY KEY(`sub`, `address`)
);
--> statement-breakpoint
CREATE INDEX `former_addresses_by_end` ON `former_addresses` (`until_at`);--> statement-breakpoint
ALTER TABLE `subjects` ADD `mail` text;