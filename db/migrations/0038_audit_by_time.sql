CREATE INDEX `audit_by_case` ON `audit` (`case_reference`,`id`) WHERE case_reference IS NOT NULL;--> statement-breakpoint
CREATE INDEX `audit_by_time` ON `audit` (`at_ms`);