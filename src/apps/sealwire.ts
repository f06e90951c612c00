/** The library's public door. */
export { type ErrorCode, type ErrorDetails, isSealwireError, SealwireError } from '../core/errors.ts';
