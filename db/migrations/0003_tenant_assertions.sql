ALTER TABLE `tenants` ADD `proof_asserted_by` text;--> statement-breakpoint
ALTER TABLE `tenants` ADD `proof_asserted_at` integer;--> statement-breakpoint
ALTER TABLE `tenants` ADD `consent_confirmed_by` text;--> statement-breakpoint
ALTER TABLE `tenants` ADD `consent_confirmed_at` integer;