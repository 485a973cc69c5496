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
CREATE TABLE `consents` (
	`sub` text NOT NULL,
	`client_id` text NOT NULL,
	`scope` text NOT NULL,
	`at` integer NOT NULL,
	PRIMARY KEY(`sub`, `client_id`)
);
--> statement-breakpoint
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
	`seq` integer NOT NULL,
	`client_id` text NOT NULL,
	`target_id` text NOT NULL,
	`sid` text,
	`sub` text,
	`state` text NOT NULL,
	`attempts` integer NOT NULL,
	`created_at_ms` integer NOT NULL,
	`next_attempt_at_ms` integer NOT NULL,
	`leased_until_ms` integer DEFAULT 0 NOT NULL,
	`settled_at_ms` integer,
	`superseded_by` text,
	`last_status` integer,
	`last_error` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sid` ON `deliveries` (`target_id`,`sid`,`seq`) WHERE sid IS NOT NULL;--> statement-breakpoint
CREATE UNIQUE INDEX `deliveries_by_sub` ON `deliveries` (`target_id`,`sub`,`seq`) WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX `deliveries_by_seq` ON `deliveries` (`seq`);--> statement-breakpoint
CREATE INDEX `deliveries_by_state` ON `deliveries` (`state`,`client_id`,`created_at_ms`);--> statement-breakpoint
CREATE INDEX `deliveries_due` ON `deliveries` (`next_attempt_at_ms`) WHERE state = 'owed' AND superseded_by IS NULL;--> statement-breakpoint
CREATE INDEX `deliveries_due_by_target` ON `deliveries` (`target_id`,`next_attempt_at_ms`,`created_at_ms`,`state`,`superseded_by`) WHERE state = 'owed' AND superseded_by IS NULL;--> statement-breakpoint
CREATE INDEX `deliveries_superseded` ON `deliveries` (`superseded_by`) WHERE superseded_by IS NOT NULL;--> statement-breakpoint
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
CREATE TABLE `families` (
	`family_id` text PRIMARY KEY NOT NULL,
	`sid` text NOT NULL,
	`client_id` text NOT NULL,
	`generation` integer NOT NULL,
	`scope` text NOT NULL,
	`audience` text NOT NULL,
	`nonce` text,
	`opened_seq` integer NOT NULL,
	`rotated_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `families_by_session` ON `families` (`sid`);--> statement-breakpoint
CREATE TABLE `guards` (
	`client_id` text NOT NULL,
	`guard_id` text NOT NULL,
	`epoch` text NOT NULL,
	`applied_seq` integer NOT NULL,
	`reported_at_ms` integer NOT NULL,
	PRIMARY KEY(`client_id`, `guard_id`)
);
--> statement-breakpoint
CREATE TABLE `log_head` (
	`id` integer PRIMARY KEY NOT NULL,
	`seq` integer NOT NULL,
	`epoch` text NOT NULL
);
--> statement-breakpoint
CREATE TABLE `participants` (
	`sid` text NOT NULL,
	`client_id` text NOT NULL,
	`first_at` integer NOT NULL,
	`last_at` integer NOT NULL,
	`joined_seq` integer NOT NULL,
	`grant_cutoff` integer DEFAULT 0 NOT NULL,
	PRIMARY KEY(`sid`, `client_id`)
);
--> statement-breakpoint
CREATE INDEX `participants_by_client` ON `participants` (`client_id`,`sid`);--> statement-breakpoint
CREATE TABLE `pushed_requests` (
	`request_hash` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`parameters` text NOT NULL,
	`expires_at` integer NOT NULL
);
--> statement-breakpoint
CREATE INDEX `pushed_requests_by_expiry` ON `pushed_requests` (`expires_at`);--> statement-breakpoint
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
	`owing` text NOT NULL,
	`owe_cursor` text DEFAULT '' NOT NULL,
	`sessions` integer DEFAULT 0 NOT NULL
);
--> statement-breakpoint
CREATE INDEX `revocations_by_at` ON `revocations` (`at`);--> statement-breakpoint
CREATE INDEX `revocations_pending` ON `revocations` (`kind`,`seq`) WHERE owing = 'pending';--> statement-breakpoint
CREATE TABLE `sessions` (
	`sid` text PRIMARY KEY NOT NULL,
	`sub` text NOT NULL,
	`tid` text NOT NULL,
	`opened_seq` integer NOT NULL,
	`opened_at` integer NOT NULL,
	`auth_time` integer NOT NULL,
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
	`microsoft_sid` text,
	`login_hint_sealed` text,
	`microsoft_cache_sealed` text,
	`probe_due_at` integer,
	`probed_at` integer,
	`device` text NOT NULL,
	`cookie_hash` text NOT NULL,
	`ended_seq` integer,
	`ended_at` integer,
	`ended_reason` text
);
--> statement-breakpoint
CREATE UNIQUE INDEX `sessions_by_cookie` ON `sessions` (`cookie_hash`);--> statement-breakpoint
CREATE INDEX `sessions_open_by_opening` ON `sessions` (`opened_at`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_sub` ON `sessions` (`sub`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_tenant` ON `sessions` (`tid`,`sid`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_microsoft` ON `sessions` (`microsoft_sid`,`tid`) WHERE ended_seq IS NULL AND microsoft_sid IS NOT NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_deadline` ON `sessions` (`deadline_at`) WHERE ended_seq IS NULL;--> statement-breakpoint
CREATE INDEX `sessions_open_by_probe` ON `sessions` (`probe_due_at`) WHERE ended_seq IS NULL AND probe_due_at IS NOT NULL;--> statement-breakpoint
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
CREATE TABLE `subjects` (
	`sub` text PRIMARY KEY NOT NULL,
	`tid` text NOT NULL,
	`oid` text NOT NULL,
	`name` text,
	`username` text,
	`email` text,
	`created_at` integer NOT NULL
);
--> statement-breakpoint
CREATE UNIQUE INDEX `subjects_by_person` ON `subjects` (`tid`,`oid`);--> statement-breakpoint
CREATE TABLE `targets` (
	`target_id` text PRIMARY KEY NOT NULL,
	`client_id` text NOT NULL,
	`uri` text NOT NULL,
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
	`connected_at` integer NOT NULL,
	`removed_at` integer
);
