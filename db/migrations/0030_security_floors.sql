ALTER TABLE `floors` ADD `security_seq` integer DEFAULT 0 NOT NULL;
--> statement-breakpoint
-- Why a floor was raised was not kept before: each counts as raised for a security reason.
UPDATE `floors` SET `security_seq` = `seq`;
