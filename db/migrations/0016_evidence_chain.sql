CREATE TABLE `audit_salts` (
	`id` integer PRIMARY KEY NOT NULL,
	`salt` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `chain_begins` (
	`id` integer PRIMARY KEY NOT NULL,
	`log` text NOT NULL,
	`number` integer NOT NULL,
	`hash` text NOT NULL,
	`fields` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `chain_begins_by_number` ON `chain_begins` (`log`,`number`);--> statement-breakpoint
CREATE TABLE `chain_heads` (
	`log` text PRIMARY KEY NOT NULL,
	`number` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `chain_signatures` (
	`id` integer PRIMARY KEY NOT NULL,
	`log` text NOT NULL,
	`number` integer NOT NULL,
	`hash` text NOT NULL,
	`at` integer NOT NULL,
	`signature` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `chain_signatures_by_number` ON `chain_signatures` (`log`,`number`,`hash`);--> statement-breakpoint
CREATE INDEX `chain_signatures_by_time` ON `chain_signatures` (`log`,`at`);--> statement-breakpoint
ALTER TABLE `audit` ADD `hash` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `audit` ADD `personal_hash` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `guards` ADD `leap_seq` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `guards` ADD `leap_at_ms` integer DEFAULT 0 NOT NULL;--> statement-breakpoint
ALTER TABLE `revocations` ADD `hash` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `revocations` ADD `personal_hash` text DEFAULT '' NOT NULL;--> statement-breakpoint
ALTER TABLE `revocations` ADD `salt` text;