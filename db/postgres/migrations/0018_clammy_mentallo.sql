CREATE TABLE "broker"."subject_words" (
	"word" text COLLATE "C" NOT NULL,
	"sub" text COLLATE "C" NOT NULL,
	CONSTRAINT "subject_words_word_sub_pk" PRIMARY KEY("word","sub")
);
--> statement-breakpoint
CREATE INDEX "subject_words_by_sub" ON "broker"."subject_words" USING btree ("sub");--> statement-breakpoint
CREATE INDEX "revocations_by_sub" ON "broker"."revocations" USING btree ("sub","seq") WHERE sub IS NOT NULL;--> statement-breakpoint
CREATE INDEX "revocations_by_client" ON "broker"."revocations" USING btree ("client_id","seq") WHERE client_id IS NOT NULL;--> statement-breakpoint
CREATE INDEX "revocations_by_case" ON "broker"."revocations" USING btree ("case_reference","seq") WHERE case_reference IS NOT NULL;