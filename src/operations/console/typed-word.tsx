import { TextField } from '../../pages/fields.tsx'

/** A word that the reader types before an act that signs many users out. */

const NAME = 'typed'

/** @param meaning follows the word in the label */
export const TypedWord = ({ word, meaning = '' }: { word: string; meaning?: string }) => (
  <TextField
    name={NAME}
    label={
      <>
        Type <code>{word}</code>
        {meaning} to sign them out
      </>
    }
    literal
    required
  />
)

/** Returns what the page says where the form does not hold the word, and undefined where it does or no word is asked for. */
export const notTyped = (form: URLSearchParams, word: string | undefined): string | undefined =>
  word === undefined || form.get(NAME)?.trim() === word ? undefined : `Nothing was done: what was typed is not ${word}.`
