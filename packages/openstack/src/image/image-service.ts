/**
 * Glance v2 as one object: metadata, data and members of images, put together from their files.
 * Has no behaviour of its own.
 */

import type { ServiceClient } from "../http/service-client.ts";
import { type ImageDataApi, imageDataApi } from "./image-data.ts";
import { type ImagesApi, imagesApi } from "./images.ts";
import { type MembersApi, membersApi } from "./members.ts";

export interface ImageService extends ImagesApi, ImageDataApi, MembersApi {
  readonly client: ServiceClient;
}

export function imageService(client: ServiceClient): ImageService {
  return { client, ...imagesApi(client), ...imageDataApi(client), ...membersApi(client) };
}
