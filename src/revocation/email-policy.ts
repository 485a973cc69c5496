import type { EmailPolicy } from '../../db/types.ts'
import type { Config } from '../config/config.ts'

/** Where email may go; undefined where no mail server is set. */
export const emailPolicy = ({ email: { smtpUrl, domains } }: Pick<Config, 'email'>): EmailPolicy | undefined =>
  smtpUrl === undefined ? undefined : { domains }
