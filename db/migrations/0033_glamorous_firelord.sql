CREATE TABLE `subject_words` (
	`word` text NOT NULL,
	`sub` text NOT NULL,
	PRIMARY KEY(`word`, `sub`)
);
--> statement-breakpoint
CREATE INDEX `subject_words_by_sub` ON `subject_words` (`sub`);--> statement-breakpoint
CREATE INDEX `revocations_by_sub` ON `revocations` (`sub`,`seq`) WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX `revocations_by_client` ON `revocations` (`client_id`,`seq`) WHERE client_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `revocations_by_case` ON `revocations` (`case_reference`,`seq`) WHERE case_reference IS NOT NULL;