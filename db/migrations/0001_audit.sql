CREATE TABLE `audit` (
	`id` integer PRIMARY KEY AUTOINCREMENT NOT NULL,
	`at_ms` integer NOT NULL,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`via` text NOT NULL,
	`act` text NOT NULL,
	`target` text,
	`case_reference` text,
	`comment` text,
	`details` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_by_actor` ON `audit` (`actor_id`,`id`);--> statement-breakpoint
CREATE INDEX `audit_by_act` ON `audit` (`act`,`id`);--> statement-breakpoint
CREATE INDEX `audit_by_target` ON `audit` (`target`,`id`);--> statement-breakpoint
CREATE TABLE `audit_outcomes` (
	`id` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`outcome` text NOT NULL,
	`result` text NOT NULL
);
--> statement-breakpoint
ALTER TABLE `revocations` ADD `applied_at_ms` integer;