-- The names of STYLE's vocabulary (docs/names.md). The audit log is append-only: its outcomes keep the words they were written with.
DROP INDEX `revocations_pending`;--> statement-breakpoint
ALTER TABLE `revocations` RENAME COLUMN `owing` TO `fan_out`;--> statement-breakpoint
ALTER TABLE `revocations` RENAME COLUMN `owe_cursor` TO `fan_out_cursor`;--> statement-breakpoint
ALTER TABLE `revocations` RENAME COLUMN `applied_at_ms` TO `enforced_at_ms`;--> statement-breakpoint
CREATE INDEX `revocations_pending` ON `revocations` (`kind`,`seq`) WHERE fan_out = 'pending';--> statement-breakpoint
ALTER TABLE `guards` RENAME COLUMN `applied_seq` TO `enforced_seq`;--> statement-breakpoint
DROP INDEX `deliveries_due`;--> statement-breakpoint
DROP INDEX `deliveries_due_by_target`;--> statement-breakpoint
UPDATE `deliveries` SET `state` = CASE `state` WHEN 'owed' THEN 'pending' WHEN 'refused' THEN 'rejected' ELSE 'failed' END WHERE `state` IN ('owed', 'refused', 'dead');--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`next_attempt_at_ms`) WHERE state = 'pending' AND superseded_by IS NULL;--> statement-breakpoint
CREATE INDEX `deliveries_due_by_target` ON `deliveries` (`target_id`,`next_attempt_at_ms`,`created_at_ms`,`state`,`superseded_by`) WHERE state = 'pending' AND superseded_by IS NULL;--> statement-breakpoint
UPDATE `delivery_counts` SET `state` = CASE `state` WHEN 'owed' THEN 'pending' WHEN 'refused' THEN 'rejected' ELSE 'failed' END WHERE `state` IN ('owed', 'refused', 'dead');--> statement-breakpoint
UPDATE `delivery_attempts` SET `outcome` = CASE `outcome` WHEN 'refused' THEN 'rejected' WHEN 'dead' THEN 'failed' ELSE 'superseded' END WHERE `outcome` IN ('refused', 'dead', 'spared');--> statement-breakpoint
DROP INDEX `microsoft_work_due`;--> statement-breakpoint
UPDATE `microsoft_work` SET `state` = CASE `state` WHEN 'owed' THEN 'pending' ELSE 'failed' END;--> statement-breakpoint
CREATE INDEX `microsoft_work_due` ON `microsoft_work` (`tid`,`next_at_ms`) WHERE state = 'pending';
