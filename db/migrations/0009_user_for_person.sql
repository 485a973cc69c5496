DROP INDEX `subjects_by_person`;--> statement-breakpoint
CREATE UNIQUE INDEX `subjects_by_user` ON `subjects` (`tid`,`oid`);--> statement-breakpoint
UPDATE `revocations` SET `actor_kind` = 'user' WHERE `actor_kind` = 'person';--> statement-breakpoint
UPDATE OR REPLACE `microsoft_work` SET `kind` = 'check_user' WHERE `kind` = 'check_person';
