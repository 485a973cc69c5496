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
--> statement-breakpoint
-- A lowered end does not reach the sessions that instances opened by an ID token with the former one.
CREATE TRIGGER `sessions_keep_their_promise` AFTER UPDATE OF `absolute_at` ON `sessions` WHEN NEW.`absolute_at` < OLD.`absolute_at` BEGIN UPDATE `sessions` SET `promised_until` = max(coalesce(OLD.`promised_until`, 0), OLD.`absolute_at`) WHERE `sid` = NEW.`sid`; END;
