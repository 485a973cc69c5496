CREATE TABLE `auth_times` (
	`tid` text PRIMARY KEY NOT NULL,
	`first_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `floor_waivers` (
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`seq` integer NOT NULL,
	`until_at` integer NOT NULL,
	PRIMARY KEY(`kind`, `key`)
);
--> statement-breakpoint
CREATE TABLE `floors` (
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`seq` integer NOT NULL,
	`at_ms` integer NOT NULL,
	PRIMARY KEY(`kind`, `key`)
);
--> statement-breakpoint
ALTER TABLE `subjects` ADD `home_id` text;--> statement-breakpoint
CREATE INDEX `subjects_by_home` ON `subjects` (`home_id`,`sub`) WHERE home_id IS NOT NULL;