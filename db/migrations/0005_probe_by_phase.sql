ALTER TABLE `sessions` DROP COLUMN `probe_due_at`;--> statement-breakpoint
UPDATE `sessions` SET `probe_phase` = abs(random() % 65536);