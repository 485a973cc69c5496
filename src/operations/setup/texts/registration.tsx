/** The words of the page that says what to register in Entra. */

export const REGISTRATION = {
  title: 'Registering Case Manager in Microsoft Entra',
  one: 'Script for one tenant',
  several: 'Script for several tenants',
} as const

export const howTo = (
  <>
    Do this as an Application Administrator or a Global Administrator. Download the script for the
    Azure CLI and run it with <code>sh</code> where <code>az login</code> has signed you in (Azure
    Cloud Shell has both): it does every step below, makes you an administrator of the broker, and
    prints the three values that the next page asks for. Or follow the steps in the Microsoft Entra
    admin center.
  </>
)
