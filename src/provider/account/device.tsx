/** An icon of the device on which a session was opened. */

const PHONE = /iPhone|Android|phone/i
const TABLET = /iPad|tablet/i

const SHAPE = {
  phone: (
    <>
      <rect x="7" y="2.5" width="10" height="19" rx="2.5" />
      <path d="M11 18.5h2" />
    </>
  ),
  tablet: (
    <>
      <rect x="4" y="3" width="16" height="18" rx="2.5" />
      <path d="M10.5 18h3" />
    </>
  ),
  computer: (
    <>
      <rect x="3" y="4.5" width="18" height="12" rx="2" />
      <path d="M8.5 20.5h7M12 16.5v4" />
    </>
  ),
}

const kindOf = (device: string): keyof typeof SHAPE =>
  TABLET.test(device) ? 'tablet' : PHONE.test(device) ? 'phone' : 'computer'

export const DeviceIcon = ({ device }: { device: string }) => (
  <svg
    class="device"
    width="24"
    height="24"
    viewBox="0 0 24 24"
    aria-hidden="true"
    focusable="false"
  >
    {SHAPE[kindOf(device)]}
  </svg>
)
