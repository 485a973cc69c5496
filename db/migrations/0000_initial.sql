CREATE TABLE `audit` (
	`id` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`via` text NOT NULL,
	`act` text NOT NULL,
	`target` text,
	`case_reference` text,
	`comment` text,
	`details` text NOT NULL,
	`hash` text NOT NULL,
	`personal_hash` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `audit_by_actor` ON `audit` (`actor_id`,`id`);--> statement-breakpoint
CREATE INDEX `audit_by_act` ON `audit` (`act`,`id`);--> statement-breakpoint
CREATE INDEX `audit_by_target` ON `audit` (`target`,`id`);--> statement-breakpoint
CREATE INDEX `audit_by_case` ON `audit` (`case_reference`,`id`) WHERE case_reference IS NOT NULL;--> statement-breakpoint
CREATE INDEX `audit_by_time` ON `audit` (`at_ms`);--> statement-breakpoint
CREATE TABLE `audit_outcomes` (
	`id` integer PRIMARY KEY NOT NULL,
	`at_ms` integer NOT NULL,
	`outcome` text NOT NULL,
	`result` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `audit_salts` (
	`id` integer PRIMARY KEY NOT NULL,
	`salt` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `auth_times` (
	`tid` text PRIMARY KEY NOT NULL
);
--> statement-breakpoint
CREATE TABLE `chain_begins` (
	`id` integer PRIMARY KEY NOT NULL,
	`log` text NOT NULL,
	`number` integer NOT NULL,
	`hash` text NOT NULL,
	`fields` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `chain_begins_by_number` ON `chain_begins` (`log`,`number`);--> statement-breakpoint
CREATE TABLE `chain_heads` (
	`log` text PRIMARY KEY NOT NULL,
	`number` integer NOT NULL,
	`hash` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `chain_signatures` (
	`id` integer PRIMARY KEY NOT NULL,
	`log` text NOT NULL,
	`number` integer NOT NULL,
	`hash` text NOT NULL,
	`at` integer NOT NULL,
	`signature` text NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `chain_signatures_by_number` ON `chain_signatures` (`log`,`number`,`hash`);--> statement-breakpoint
CREATE INDEX `chain_signatures_by_time` ON `chain_signatures` (`log`,`at`);--> statement-breakpoint
CREATE TABLE `client_secrets` (
	`client_id` text NOT NULL,
	`id` text NOT NULL,
	`hash` text NOT NULL,
	`created_at` integer NOT NULL,
	`expires_at` integer,
	PRIMARY KEY(`client_id`, `id`)
);
--> statement-breakpoint
CREATE TABLE `clients` (
	`client_id` text PRIMARY KEY NOT NULL,
	`source` text NOT NULL,
	`metadata` text NOT NULL,
	`logout_by` text NOT NULL,
	`former_tenants` text DEFAULT '[]' NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL,
	`removed_at` integer
);
--> statement-breakpoint
CREATE TABLE `codes` (
	`code_hash` text PRIMARY KEY NOT NULL,
	`sid` text NOT NULL,
	`client_id` text NOT NULL,
	`redirect_uri` text NOT NULL,
	`scope` text NOT NULL,
	`audience` text NOT NULL,
	`nonce` text,
	`code_challenge` text,
	`wants_auth_time` integer NOT NULL,
	`opened_seq` integer NOT NULL,
	`expires_at` integer NOT NULL,
	`consumed_at` integer
);
--> statement-breakpoint
CREATE INDEX `codes_by_expiry` ON `codes` (`expires_at`);--> statement-breakpoint
CREATE INDEX `codes_by_session` ON `codes` (`sid`,`client_id`);--> statement-breakpoint
CREATE TABLE `consents` (
	`sub` text NOT NULL,
	`client_id` text NOT NULL,
	`scope` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`sub`, `client_id`)
);
--> statement-breakpoint
CREATE INDEX `consents_by_client` ON `consents` (`client_id`,`at`);--> statement-breakpoint
CREATE TABLE `consumed` (
	`purpose` text NOT NULL,
	`id_hash` text NOT NULL,
	`expires_at` integer NOT NULL,
	PRIMARY KEY(`purpose`, `id_hash`)
);
--> statement-breakpoint
CREATE INDEX `consumed_by_expiry` ON `consumed` (`expires_at`);--> statement-breakpoint
CREATE TABLE `cutoffs` (
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`seq` integer NOT NULL,
	PRIMARY KEY(`kind`, `key`)
);
--> statement-breakpoint
CREATE TABLE `deliveries` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`seq` integer,
	`client_id` text NOT NULL,
	`target_id` text NOT NULL,
	`sid` text,
	`sub` text,
	`payload` text,
	`priority` integer NOT NULL,
	`state` text NOT NULL,
	`attempts` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`next_attempt_at_ms` integer NOT NULL,
	`leased_until_ms` integer DEFAULT 0 NOT NULL,
	`settled_at_ms` integer,
	`superseded_by` text,
	`last_status` integer,
	`last_error` text,
	`traceparent` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sid` ON `deliveries` (`sid`,`target_id`,`seq`) WHERE sid IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sub` ON `deliveries` (`sub`,`target_id`,`seq`) WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX `deliveries_by_seq` ON `deliveries` (`seq`,`state`,`client_id`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_by_state` ON `deliveries` (`state`,`client_id`,`created_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_by_time` ON `deliveries` (`state`,`created_at_ms`,`id`);--> statement-breakpoint
CREATE INDEX `deliveries_due_by_target` ON `deliveries` (`target_id`,`priority`,`next_attempt_at_ms`,`created_at_ms`,`state`) WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX `deliveries_due_by_revocation` ON `deliveries` (`target_id`,`seq`,`next_attempt_at_ms`) WHERE state = 'pending' AND priority = 1;--> statement-breakpoint
CREATE INDEX `deliveries_leased` ON `deliveries` (`leased_until_ms`) WHERE leased_until_ms > 0;--> statement-breakpoint
CREATE INDEX `deliveries_settled` ON `deliveries` (`settled_at_ms`) WHERE settled_at_ms IS NOT NULL;--> statement-breakpoint
CREATE TABLE `delivery_attempts` (
	`id` integer PRIMARY KEY NOT NULL,
	`delivery_id` text NOT NULL,
	`attempt` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`outcome` text NOT NULL,
	`status` integer,
	`latency_ms` integer NOT NULL,
	`jti` text,
	`error` text
);
--> statement-breakpoint
CREATE INDEX `delivery_attempts_by_delivery` ON `delivery_attempts` (`delivery_id`);--> statement-breakpoint
CREATE TABLE `delivery_counts` (
	`client_id` text NOT NULL,
	`state` text NOT NULL,
	`count` integer NOT NULL,
	PRIMARY KEY(`client_id`, `state`)
);
--> statement-breakpoint
CREATE TABLE `erasures` (
	`sub` text PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`cursor` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `families` (
	`family_id` text PRIMARY KEY NOT NULL,
	`sid` text NOT NULL,
	`client_id` text NOT NULL,
	`generation` integer NOT NULL,
	`scope` text NOT NULL,
	`audience` text NOT NULL,
	`nonce` text,
	`opened_seq` integer NOT NULL,
	`rotated_at` integer NOT NULL,
	`replaced_at` text DEFAULT '[]' NOT NULL
);
--> statement-breakpoint
CREATE INDEX `families_by_session` ON `families` (`sid`);--> statement-breakpoint
CREATE TABLE `floors` (
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`seq` integer NOT NULL,
	`security_seq` integer NOT NULL,
	`waived_seq` integer DEFAULT 0 NOT NULL,
	`waived_until` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`kind`, `key`)
);
--> statement-breakpoint
CREATE TABLE `guard_leases` (
	`stream` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`guard_id` text NOT NULL,
	`seconds` integer NOT NULL,
	`first_seq` integer NOT NULL,
	`last_seq` integer NOT NULL,
	`reported_seq` integer NOT NULL,
	`reported_at_ms` integer NOT NULL,
	`holder` text NOT NULL
);
--> statement-breakpoint
CREATE INDEX `guard_leases_by_end` ON `guard_leases` (`last_seq`);--> statement-breakpoint
CREATE TABLE `guards` (
	`client_id` text NOT NULL,
	`guard_id` text NOT NULL,
	`epoch` text NOT NULL,
	`enforced_seq` integer NOT NULL,
	`reported_at_ms` integer NOT NULL,
	`version` text,
	`without_lease` text,
	`leases_run_out` integer,
	`lease_ran_out_at_ms` integer,
	`clock_drift_ppm` integer,
	`clock_offset_seconds` integer,
	PRIMARY KEY(`client_id`, `guard_id`)
);
--> statement-breakpoint
CREATE TABLE `idempotency_keys` (
	`caller` text NOT NULL,
	`key_hash` text NOT NULL,
	`request_hash` text NOT NULL,
	`expires_at` integer NOT NULL,
	`status` integer NOT NULL,
	`answer` text NOT NULL,
	PRIMARY KEY(`caller`, `key_hash`)
);
--> statement-breakpoint
CREATE INDEX `idempotency_keys_by_expiry` ON `idempotency_keys` (`expires_at`);--> statement-breakpoint
CREATE TABLE `locks` (
	`id` text PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`key` text NOT NULL,
	`oid` text NOT NULL,
	`home_id` text,
	`audience` text,
	`case_reference` text,
	`comment` text,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`at` integer NOT NULL,
	`ends_at` integer,
	`seq` integer,
	`lifted_at` integer,
	`lifted_by_kind` text,
	`lifted_by_id` text,
	`lift_case_reference` text,
	`lift_comment` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `locks_open` ON `locks` (`kind`,`key`,`oid`) WHERE lifted_at IS NULL;--> statement-breakpoint
CREATE INDEX `locks_open_by_home` ON `locks` (`home_id`) WHERE lifted_at IS NULL AND home_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `locks_open_by_audience` ON `locks` (`audience`) WHERE lifted_at IS NULL AND audience IS NOT NULL;--> statement-breakpoint
CREATE INDEX `locks_open_by_end` ON `locks` (`ends_at`) WHERE lifted_at IS NULL AND ends_at IS NOT NULL;--> statement-breakpoint
CREATE INDEX `locks_lifted` ON `locks` (`lifted_at`) WHERE lifted_at IS NOT NULL;--> statement-breakpoint
CREATE TABLE `log_head` (
	`id` integer PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`epoch` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `microsoft_work` (
	`kind` text NOT NULL,
	`tid` text NOT NULL,
	`oid` text NOT NULL,
	`generation` integer NOT NULL,
	`attempts` integer NOT NULL,
	`state` text NOT NULL,
	`asked_at_ms` integer NOT NULL,
	`next_at_ms` integer NOT NULL,
	`leased_until_ms` integer DEFAULT 0 NOT NULL,
	`last_error` text,
	PRIMARY KEY(`kind`, `tid`, `oid`)
);
--> statement-breakpoint
CREATE INDEX `microsoft_work_leased` ON `microsoft_work` (`leased_until_ms`) WHERE leased_until_ms > 0;--> statement-breakpoint
CREATE INDEX `microsoft_work_due` ON `microsoft_work` (`tid`,`next_at_ms`) WHERE state = 'pending';--> statement-breakpoint
CREATE INDEX `microsoft_work_failed` ON `microsoft_work` (`asked_at_ms`) WHERE state = 'failed';--> statement-breakpoint
CREATE TABLE `operators` (
	`sub` text PRIMARY KEY NOT NULL,
	`may` text NOT NULL,
	`seen_at` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `participants` (
	`sid` text NOT NULL,
	`client_id` text NOT NULL,
	`first_at` integer NOT NULL,
	`last_at` integer NOT NULL,
	`first_seq` integer NOT NULL,
	`joined_seq` integer NOT NULL,
	`grant_cutoff` integer DEFAULT 0 NOT NULL,
	`signed_in_at` integer,
	`fresh_until` integer,
	PRIMARY KEY(`sid`, `client_id`)
);
--> statement-breakpoint
CREATE INDEX `participants_by_client` ON `participants` (`client_id`,`sid`);--> statement-breakpoint
CREATE INDEX `participants_by_freshness` ON `participants` (`fresh_until`,`sid`,`client_id`) WHERE fresh_until IS NOT NULL;--> statement-breakpoint
CREATE TABLE `probe_cursors` (
	`tid` text PRIMARY KEY NOT NULL,
	`place` integer NOT NULL,
	`sid` text NOT NULL,
	`moved_at_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `probe_pages` (
	`id` text PRIMARY KEY NOT NULL,
	`tid` text NOT NULL,
	`place` integer NOT NULL,
	`sid` text NOT NULL,
	`to_place` integer NOT NULL,
	`to_sid` text NOT NULL,
	`leased_until_ms` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `probe_pages_by_lease` ON `probe_pages` (`tid`,`leased_until_ms`);--> statement-breakpoint
CREATE TABLE `pushed_requests` (
	`request_hash` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`parameters` text NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `pushed_requests_by_expiry` ON `pushed_requests` (`expires_at`);--> statement-breakpoint
CREATE TABLE `registry` (
	`id` integer PRIMARY KEY NOT NULL,
	`version` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `revocation_totals` (
	`seq` integer PRIMARY KEY NOT NULL,
	`pending` integer NOT NULL,
	`delivered` integer NOT NULL,
	`rejected` integer NOT NULL,
	`failed` integer NOT NULL,
	`superseded` integer NOT NULL,
	`closed` integer NOT NULL
);
--> statement-breakpoint
CREATE TABLE `revocations` (
	`seq` integer PRIMARY KEY NOT NULL,
	`kind` text NOT NULL,
	`sid` text,
	`sub` text,
	`client_id` text,
	`tid` text,
	`reason` text NOT NULL,
	`actor_kind` text NOT NULL,
	`actor_id` text NOT NULL,
	`at` integer NOT NULL,
	`at_ms` integer NOT NULL,
	`case_reference` text,
	`comment` text,
	`fan_out` text NOT NULL,
	`fan_out_cursor` text DEFAULT '' NOT NULL,
	`sessions` integer NOT NULL,
	`acknowledged_at_ms` integer,
	`hash` text NOT NULL,
	`personal_hash` text NOT NULL,
	`salt` text,
	`traceparent` text
);
--> statement-breakpoint
CREATE INDEX `revocations_by_at` ON `revocations` (`at`);--> statement-breakpoint
CREATE INDEX `revocations_by_sub` ON `revocations` (`sub`,`seq`) WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX `revocations_by_client` ON `revocations` (`client_id`,`seq`) WHERE client_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX `revocations_by_case` ON `revocations` (`case_reference`,`seq`) WHERE case_reference IS NOT NULL;--> statement-breakpoint
CREATE INDEX `revocations_by_tenant` ON `revocations` (`tid`,`seq`) WHERE tid IS NOT NULL;--> statement-breakpoint
CREATE INDEX `revocations_pending` ON `revocations` (`kind`,`seq`) WHERE fan_out = 'pending';--> statement-breakpoint
CREATE TABLE `security_events` (
	`sub` text NOT NULL,
	`at` integer NOT NULL,
	`id` text NOT NULL,
	`kind` text NOT NULL,
	`sid` text,
	`device` text,
	`address` text,
	`client_id` text,
	`why` text,
	`actor_kind` text,
	`actor_id` text,
	`seq` integer,
	PRIMARY KEY(`sub`, `at`, `id`)
);
--> statement-breakpoint
CREATE INDEX `security_events_by_time` ON `security_events` (`at`);--> statement-breakpoint
CREATE INDEX `security_events_with_address` ON `security_events` (`at`) WHERE address IS NOT NULL;--> statement-breakpoint
CREATE TABLE `sessions` (
	`sid` text PRIMARY KEY NOT NULL,
	`sub` text NOT NULL,
	`tid` text NOT NULL,
	`opened_seq` integer NOT NULL,
	`opened_at` integer NOT NULL,
	`auth_time` integer NOT NULL,
	`visit_started_at` integer NOT NULL,
	`visit_ended_at` integer NOT NULL,
	`last_active_at` integer NOT NULL,
	`idle_seconds` integer NOT NULL,
	`absolute_at` integer NOT NULL,
	`mark_at` integer,
	`mark_reason` text,
	`deadline_at` integer NOT NULL,
	`acr` text,
	`amr` text,
	`roles` text NOT NULL,
	`stay_signed_in` integer NOT NULL,
	`shared` integer DEFAULT 0 NOT NULL,
	`microsoft_sid` text,
	`login_hint_sealed` text,
	`microsoft_cache_sealed` text,
	`probe_phase` integer NOT NULL,
	`probed_at` integer NOT NULL,
	`device` text NOT NULL,
	`cookie_hash` text NOT NULL,
	`browser_hash` text,
	`ended_seq` integer,
	`ended_at` integer,
	`ended_reason` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_by_cookie` ON `sessions` (`cookie_hash`);--> statement-breakpoint
CREATE INDEX `sessions_open_by_browser` ON `sessions` (`browser_hash`) WHERE ended_seq IS NULL AND browser_hash IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_open` ON `sessions` (`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_opening` ON `sessions` (`opened_at`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_sub` ON `sessions` (`sub`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_tenant` ON `sessions` (`tid`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_tenant_opening` ON `sessions` (`tid`,`opened_at`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_microsoft` ON `sessions` (`microsoft_sid`,`tid`) WHERE ended_seq IS NULL AND microsoft_sid IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_deadline` ON `sessions` (`deadline_at`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_to_probe` ON `sessions` (`tid`,`probe_phase`,`sid`) WHERE ended_seq IS NULL AND microsoft_cache_sealed IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_ended` ON `sessions` (`ended_at`) WHERE ended_seq IS NOT NULL;--> statement-breakpoint
CREATE TABLE `settings` (
	`name` text PRIMARY KEY NOT NULL,
	`value` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `signing_keys` (
	`kid` text PRIMARY KEY NOT NULL,
	`alg` text NOT NULL,
	`state` text NOT NULL,
	`private_sealed` text,
	`public_jwk` text NOT NULL,
	`created_at` integer NOT NULL,
	`activated_at` integer,
	`retire_at` integer
);
--> statement-breakpoint
CREATE TABLE `streams` (
	`stream_id` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`method` text NOT NULL,
	`endpoint_url` text,
	`authorization_sealed` text,
	`events_requested` text NOT NULL,
	`description` text,
	`status` text NOT NULL,
	`status_reason` text,
	`status_by` text NOT NULL,
	`verified_at` integer,
	`asked_at` integer,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `streams_by_client` ON `streams` (`client_id`);--> statement-breakpoint
CREATE TABLE `subject_words` (
	`word` text NOT NULL,
	`sub` text NOT NULL,
	PRIMARY KEY(`word`, `sub`)
);
--> statement-breakpoint
CREATE INDEX `subject_words_by_sub` ON `subject_words` (`sub`);--> statement-breakpoint
CREATE TABLE `subjects` (
	`sub` text PRIMARY KEY NOT NULL,
	`tid` text NOT NULL,
	`oid` text NOT NULL,
	`name` text,
	`username` text,
	`email` text,
	`home_id` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `subjects_by_user` ON `subjects` (`tid`,`oid`);--> statement-breakpoint
CREATE INDEX `subjects_by_home` ON `subjects` (`home_id`,`sub`) WHERE home_id IS NOT NULL;--> statement-breakpoint
CREATE TABLE `targets` (
	`target_id` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`uri` text NOT NULL,
	`added_seq` integer NOT NULL,
	`removed_seq` integer
);
--> statement-breakpoint
CREATE UNIQUE INDEX `targets_by_client` ON `targets` (`client_id`,`uri`);--> statement-breakpoint
CREATE TABLE `tenants` (
	`tid` text PRIMARY KEY NOT NULL,
	`name` text,
	`mfa_proof` text NOT NULL,
	`idle_seconds` integer,
	`absolute_seconds` integer,
	`stay_signed_in_seconds` integer,
	`max_authentication_seconds` integer,
	`proof_asserted_by` text,
	`proof_asserted_at` integer,
	`consent_confirmed_by` text,
	`consent_confirmed_at` integer,
	`administrators` text,
	`connected_at` integer NOT NULL,
	`removed_at` integer
);
--> statement-breakpoint
CREATE TABLE `webhook_endpoints` (
	`endpoint_id` text PRIMARY KEY NOT NULL,
	`url` text NOT NULL,
	`description` text,
	`events` text NOT NULL,
	`include` text NOT NULL,
	`secret_sealed` text NOT NULL,
	`former_sealed` text,
	`former_until` integer,
	`state` text NOT NULL,
	`cause` text,
	`position` integer NOT NULL,
	`created_at` integer NOT NULL,
	`updated_at` integer NOT NULL
);
--> statement-breakpoint
-- The audit log is append-only for every program that writes this file. Only retention deletes rows, the oldest first.
CREATE TRIGGER `audit_never_changes` BEFORE UPDATE ON `audit` BEGIN SELECT RAISE(ABORT, 'The audit log is append-only.'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_never_replaced` BEFORE INSERT ON `audit` WHEN EXISTS (SELECT 1 FROM `audit` WHERE `id` = NEW.`id`) BEGIN SELECT RAISE(ABORT, 'The audit log is append-only.'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_from_its_old_end` BEFORE DELETE ON `audit` WHEN EXISTS (SELECT 1 FROM `audit` WHERE `id` < OLD.`id`) BEGIN SELECT RAISE(ABORT, 'The audit log is shortened from its old end alone.'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_outcomes_never_change` BEFORE UPDATE ON `audit_outcomes` BEGIN SELECT RAISE(ABORT, 'The audit log is append-only.'); END;
--> statement-breakpoint
CREATE TRIGGER `audit_outcomes_said_once` BEFORE INSERT ON `audit_outcomes` WHEN EXISTS (SELECT 1 FROM `audit_outcomes` WHERE `id` = NEW.`id`) BEGIN SELECT RAISE(IGNORE); END;
--> statement-breakpoint
CREATE TRIGGER `audit_outcomes_from_their_old_end` BEFORE DELETE ON `audit_outcomes` WHEN EXISTS (SELECT 1 FROM `audit_outcomes` WHERE `id` < OLD.`id`) BEGIN SELECT RAISE(ABORT, 'The audit log is shortened from its old end alone.'); END;
