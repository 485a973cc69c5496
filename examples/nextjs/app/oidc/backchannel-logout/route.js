import { broker } from '../../../lib/broker.js'

export const POST = (request) => broker().guard.receiveLogout(request)
