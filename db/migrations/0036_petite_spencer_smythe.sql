ALTER TABLE `scheduled_acts` ADD `confirm_until` integer;--> statement-breakpoint
CREATE INDEX `scheduled_acts_to_expire` ON `scheduled_acts` (`confirm_until`) WHERE state = 'proposed';