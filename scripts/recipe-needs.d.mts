export declare function findBuilt(name: string): string | undefined
export declare function adviceFor(name: string): string
export declare function apacheModule(name: string): string
export declare const OAUTH2_PROXY: string
