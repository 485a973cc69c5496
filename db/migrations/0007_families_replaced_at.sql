ALTER TABLE `families` ADD `replaced_at` text DEFAULT '[]' NOT NULL;--> statement-breakpoint
UPDATE `families` SET `replaced_at` = json_array(`rotated_at`) WHERE `generation` > 1;
