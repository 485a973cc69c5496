CREATE INDEX "security_events_reported" ON "broker"."security_events" USING btree ("at") WHERE kind = 'reported';
